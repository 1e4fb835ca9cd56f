-- What is asked at every request: whether the session holds, and what somebody holds on a scope. One
-- statement in place of the six of authority(), which remains for processes of the release before.
-- In PL/pgSQL it is planned once a connection; as the owner, because tenants' transactions ask it too.
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
