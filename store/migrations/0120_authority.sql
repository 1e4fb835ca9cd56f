-- Who may do what: questions about roles and scopes, each answered by one function. As the owner of the tables, because
-- tenants' transactions ask them too: a bound transaction knows of others what such a function says, and no more.

-- Every role somebody holds, directly or by a group, with the scope it is bound on. A role that is bound on a suspended
-- organization or project, or below one, is void.
CREATE FUNCTION role_grant(of_account uuid, of_service_account uuid)
RETURNS TABLE (role_binding_id uuid, role text, custom_role_id uuid, permissions text[], scope text,
               organization_id uuid, project_id uuid, is_void boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT b.id, b.role, b.custom_role_id, c.permissions, b.scope, b.organization_id, b.project_id,
           EXISTS (SELECT FROM organization s
                   WHERE s.suspended_at IS NOT NULL AND s.id = ANY (coalesce(o.ancestors, po.ancestors)))
               OR p.suspended_at IS NOT NULL
    FROM (SELECT * FROM role_binding r WHERE r.account_id = of_account
          UNION ALL
          SELECT r.* FROM account_group_member m JOIN role_binding r ON r.group_id = m.group_id WHERE m.account_id = of_account
          UNION ALL
          SELECT * FROM role_binding r WHERE r.service_account_id = of_service_account) b
    LEFT JOIN custom_role c ON c.id = b.custom_role_id
    LEFT JOIN organization o ON o.id = b.organization_id
    LEFT JOIN project p ON p.id = b.project_id
    LEFT JOIN organization po ON po.id = p.organization_id;
END $$;

-- What a group has, on whatever scope.
CREATE FUNCTION group_grant(of_group uuid)
RETURNS TABLE (role_binding_id uuid, role text, custom_role_id uuid, permissions text[], organization_id uuid, project_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT b.id, b.role, b.custom_role_id, c.permissions, b.organization_id, b.project_id
    FROM role_binding b LEFT JOIN custom_role c ON c.id = b.custom_role_id WHERE b.group_id = of_group
$$;

-- The organization that somebody belongs to.
CREATE FUNCTION home_of(of_account uuid, of_group uuid, of_service_account uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT organization_id FROM account WHERE id = of_account
    UNION ALL SELECT organization_id FROM account_group WHERE id = of_group
    UNION ALL SELECT organization_id FROM service_account WHERE id = of_service_account
$$;

-- The way down to a scope.
CREATE FUNCTION path_to(to_organization uuid, to_project uuid) RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT ancestors FROM organization
    WHERE id = coalesce(to_organization, (SELECT organization_id FROM project WHERE id = to_project))
$$;

-- Organizations without an owner who can log in, of these.
CREATE FUNCTION unowned(organizations uuid[]) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o FROM unnest(organizations) AS o WHERE NOT EXISTS (
        SELECT FROM role_binding b LEFT JOIN account_group_member m ON m.group_id = b.group_id
        JOIN account a ON a.id = coalesce(b.account_id, m.account_id) AND a.disabled_at IS NULL
        WHERE b.role = 'owner' AND b.organization_id = o)
$$;

-- Locks the organizations that could lose an owner: of a user, of a group, of a binding.
CREATE FUNCTION owned_lock(of_account uuid, of_group uuid, of_binding uuid) RETURNS SETOF uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.id FROM organization o WHERE o.id IN (
        SELECT b.organization_id FROM role_binding b WHERE b.role = 'owner'
           AND (b.id = of_binding OR b.group_id = of_group OR b.account_id = of_account
                OR b.group_id IN (SELECT m.group_id FROM account_group_member m WHERE m.account_id = of_account)))
    ORDER BY o.id FOR NO KEY UPDATE OF o
$$;

-- What is asked at every request: whether the session holds, and what somebody holds on a scope. In PL/pgSQL it is
-- planned once a connection.
CREATE FUNCTION admission(of_account uuid, of_service_account uuid, on_organization uuid, on_project uuid,
                          with_session uuid, at timestamptz)
RETURNS TABLE (disabled boolean, holds boolean, suspended boolean, suspended_from integer, grants json)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        -- Behind this the planner cannot see what is asked for, so that no plan is better than the one it keeps.
        SELECT of_account AS account, of_service_account AS service_account, on_organization AS organization,
               on_project AS project, with_session AS session, at AS now
    )
    SELECT who.is_disabled, who.is_held,
           EXISTS (SELECT FROM organization s WHERE s.id = ANY (who.home) AND s.suspended_at IS NOT NULL),
           coalesce((SELECT min(array_position(place.path, s.id)) FROM organization s
                     WHERE s.id = ANY (place.path) AND s.suspended_at IS NOT NULL),
                    CASE WHEN place.held_off THEN cardinality(place.path) + 1 END),
           -- No path: the scope does not exist, and nothing is held on it.
           coalesce((SELECT json_agg(json_build_object('role', b.role, 'permissions', c.permissions, 'level',
                         CASE b.scope WHEN 'system' THEN 0 WHEN 'organization' THEN array_position(place.path, b.organization_id)
                              ELSE cardinality(place.path) + 1 END))
                     FROM (SELECT r.* FROM asked JOIN role_binding r ON r.account_id = asked.account
                           UNION ALL SELECT r.* FROM asked JOIN account_group_member m ON m.account_id = asked.account
                                     JOIN role_binding r ON r.group_id = m.group_id
                           UNION ALL SELECT r.* FROM asked JOIN role_binding r ON r.service_account_id = asked.service_account) b
                     LEFT JOIN custom_role c ON c.id = b.custom_role_id
                     WHERE place.path IS NOT NULL
                       AND (b.scope = 'system' OR b.organization_id = ANY (place.path) OR b.project_id = place.project)), '[]')
    FROM (SELECT a.disabled_at IS NOT NULL AS is_disabled, o.ancestors AS home,
                 asked.session IS NULL OR EXISTS (SELECT FROM session t WHERE t.id = asked.session AND t.account_id = a.id
                     AND t.revoked_at IS NULL AND t.expires_at > asked.now AND a.disabled_at IS NULL) AS is_held
          FROM asked JOIN account a ON a.id = asked.account JOIN organization o ON o.id = a.organization_id
          UNION ALL
          SELECT a.disabled_at IS NOT NULL, o.ancestors, asked.session IS NULL
          FROM asked JOIN service_account a ON a.id = asked.service_account JOIN organization o ON o.id = a.organization_id) AS who
    LEFT JOIN (
          SELECT o.ancestors AS path, p.suspended_at IS NOT NULL AS held_off, p.id AS project
          FROM asked JOIN project p ON p.id = asked.project JOIN organization o ON o.id = p.organization_id
          UNION ALL SELECT o.ancestors, false, NULL FROM asked JOIN organization o ON o.id = asked.organization
          UNION ALL SELECT '{}'::uuid[], false, NULL FROM asked
                    WHERE asked.organization IS NULL AND asked.project IS NULL) AS place ON true;
END $$;
