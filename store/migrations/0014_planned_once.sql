-- PostgreSQL plans a function in SQL anew at each call when it cannot be part of the caller's plan, as
-- with SECURITY DEFINER: 3 ms for the question of every request. In PL/pgSQL it is planned once a session.

CREATE OR REPLACE FUNCTION bound_path() RETURNS uuid[]
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (SELECT ancestors FROM organization
            WHERE id = coalesce(bound_organization(), (SELECT organization_id FROM project WHERE id = bound_project())));
END $$;

CREATE OR REPLACE FUNCTION project_is_suspended(of_project uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (SELECT p.suspended_at IS NOT NULL OR EXISTS (
                SELECT FROM organization o JOIN organization above ON above.id = ANY (o.ancestors)
                WHERE o.id = p.organization_id AND above.suspended_at IS NOT NULL)
            FROM project p WHERE p.id = of_project);
END $$;

CREATE OR REPLACE FUNCTION quota_is_set() RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM quota WHERE project_id = bound_project())
        OR EXISTS (SELECT FROM quota WHERE organization_id = ANY (bound_path()));
END $$;

CREATE OR REPLACE FUNCTION role_grant(of_account uuid, of_service_account uuid)
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

-- The roles are read here once more, without whether they are void: that follows from the levels.
CREATE OR REPLACE FUNCTION authority(of_account uuid, of_service_account uuid, on_organization uuid, on_project uuid)
RETURNS TABLE (is_disabled boolean, is_suspended boolean, suspended_from integer, grants json)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    home      uuid;
    home_path uuid[];
    path      uuid[];
    held_off  boolean := false;
BEGIN
    SELECT a.organization_id, a.disabled_at IS NOT NULL, o.ancestors INTO home, is_disabled, home_path
    FROM account a JOIN organization o ON o.id = a.organization_id WHERE a.id = of_account;
    IF home IS NULL THEN
        SELECT s.organization_id, s.disabled_at IS NOT NULL, o.ancestors INTO home, is_disabled, home_path
        FROM service_account s JOIN organization o ON o.id = s.organization_id WHERE s.id = of_service_account;
    END IF;
    IF home IS NULL THEN
        RETURN;
    END IF;
    IF on_project IS NOT NULL THEN
        SELECT o.ancestors, p.suspended_at IS NOT NULL INTO path, held_off
        FROM project p JOIN organization o ON o.id = p.organization_id WHERE p.id = on_project;
    ELSIF on_organization IS NOT NULL THEN
        SELECT o.ancestors INTO path FROM organization o WHERE o.id = on_organization;
    ELSE
        path := '{}';
    END IF;
    is_suspended := EXISTS (SELECT FROM organization s WHERE s.id = ANY (home_path) AND s.suspended_at IS NOT NULL);
    suspended_from := coalesce(
        (SELECT min(array_position(path, s.id)) FROM organization s WHERE s.id = ANY (path) AND s.suspended_at IS NOT NULL),
        CASE WHEN held_off THEN cardinality(path) + 1 END);
    -- No path: the scope does not exist, and nothing is held on it.
    grants := coalesce((
        SELECT json_agg(json_build_object('role', b.role, 'permissions', c.permissions, 'level',
            CASE b.scope WHEN 'system' THEN 0 WHEN 'organization' THEN array_position(path, b.organization_id)
                 ELSE cardinality(path) + 1 END))
        FROM (SELECT * FROM role_binding r WHERE r.account_id = of_account
              UNION ALL
              SELECT r.* FROM account_group_member m JOIN role_binding r ON r.group_id = m.group_id WHERE m.account_id = of_account
              UNION ALL
              SELECT * FROM role_binding r WHERE r.service_account_id = of_service_account) b
        LEFT JOIN custom_role c ON c.id = b.custom_role_id
        WHERE path IS NOT NULL AND (b.scope = 'system' OR b.organization_id = ANY (path) OR b.project_id = on_project)), '[]');
    RETURN NEXT;
END $$;
