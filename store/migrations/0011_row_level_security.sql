-- A second wall between tenants. Requests of tenants run as iroko_tenant, a role that row-level
-- security holds for, bound to one project or one organization by settings of their transaction.
-- Everybody else (scheduler, hub, agents, operators) is the owner of the tables, for whom the
-- policies do not count. Why what is as it is: docs/adr/0007.

-- Databases of one cluster share their roles, and may be migrated at the same moment.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'iroko_tenant') THEN
        CREATE ROLE iroko_tenant NOLOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'iroko_tenant', 'MEMBER') THEN
        GRANT iroko_tenant TO CURRENT_USER;
    END IF;
END $$;

-- What the transaction is bound to. A setting that was local to an ended transaction reads ''.
CREATE FUNCTION bound_project() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
    $$ SELECT nullif(current_setting('iroko.project_id', true), '')::uuid $$;
CREATE FUNCTION bound_organization() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
    $$ SELECT nullif(current_setting('iroko.organization_id', true), '')::uuid $$;
-- The organizations from the top down to what the transaction is bound to.
CREATE FUNCTION bound_path() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = public, pg_temp AS
    $$ SELECT ancestors FROM organization
       WHERE id = coalesce(bound_organization(), (SELECT organization_id FROM project WHERE id = bound_project())) $$;

-- The nouns of a project.
DO $$
DECLARE noun text;
BEGIN
    FOREACH noun IN ARRAY ARRAY['image', 'ssh_key', 'network', 'subnet', 'port', 'instance'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', noun);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO iroko_tenant', noun);
        EXECUTE format('CREATE POLICY tenant ON %I TO iroko_tenant USING (project_id = bound_project())', noun);
    END LOOP;
END $$;

-- What belongs to one of them.
ALTER TABLE ip_allocation ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON ip_allocation TO iroko_tenant;
-- By its network, which is of one project: its port may be made by the same statement, and is not seen yet.
CREATE POLICY tenant ON ip_allocation TO iroko_tenant USING (EXISTS (SELECT FROM network n WHERE n.id = network_id));
ALTER TABLE console ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON console TO iroko_tenant;
CREATE POLICY tenant ON console TO iroko_tenant USING (EXISTS (SELECT FROM instance i WHERE i.id = instance_id));
-- Whether a machine's host is heard of, and of no other host.
ALTER TABLE host_agent ENABLE ROW LEVEL SECURITY;
GRANT SELECT (host_id, kind, seen_at) ON host_agent TO iroko_tenant;
CREATE POLICY tenant ON host_agent TO iroko_tenant USING (EXISTS (SELECT FROM instance i WHERE i.host_id = host_agent.host_id));
-- The outbox only says "look again", which harms nobody; nobody reads it here.
ALTER TABLE change ENABLE ROW LEVEL SECURITY;
GRANT INSERT ON change TO iroko_tenant;
CREATE POLICY tenant ON change FOR INSERT TO iroko_tenant WITH CHECK (true);
-- For everybody.
GRANT SELECT ON flavor TO iroko_tenant;

-- The nouns of an organization.
DO $$
DECLARE noun text;
BEGIN
    FOREACH noun IN ARRAY ARRAY['account', 'account_group', 'service_account'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', noun);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO iroko_tenant', noun);
        EXECUTE format('CREATE POLICY tenant ON %I TO iroko_tenant USING (organization_id = bound_organization())', noun);
    END LOOP;
END $$;
ALTER TABLE account_group_member ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, DELETE ON account_group_member TO iroko_tenant;
CREATE POLICY tenant ON account_group_member TO iroko_tenant
    USING (EXISTS (SELECT FROM account_group g WHERE g.id = group_id))
    WITH CHECK (EXISTS (SELECT FROM account_group g WHERE g.id = group_id) AND EXISTS (SELECT FROM account a WHERE a.id = account_id));

ALTER TABLE custom_role ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON custom_role TO iroko_tenant;
CREATE POLICY tenant ON custom_role TO iroko_tenant USING (organization_id = bound_organization());
-- Roles from above can be given below.
CREATE POLICY above ON custom_role FOR SELECT TO iroko_tenant USING (organization_id = ANY (bound_path()));

ALTER TABLE role_binding ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, DELETE ON role_binding TO iroko_tenant;
CREATE POLICY tenant ON role_binding TO iroko_tenant
    USING (project_id = bound_project() OR organization_id = bound_organization());

ALTER TABLE project ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON project TO iroko_tenant;
CREATE POLICY tenant ON project TO iroko_tenant USING (id = bound_project() OR organization_id = bound_organization());

-- Itself, and customers right below to make and to list.
ALTER TABLE organization ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON organization TO iroko_tenant;
CREATE POLICY itself ON organization TO iroko_tenant USING (id = bound_organization()) WITH CHECK (id = bound_organization());
CREATE POLICY below ON organization FOR SELECT TO iroko_tenant USING (parent_id = bound_organization());
CREATE POLICY made_below ON organization FOR INSERT TO iroko_tenant WITH CHECK (parent_id = bound_organization());
-- The organization of a bound project is named where a role is looked up; its row is not shown.

-- What a bound transaction may know of others, each by a function that answers one question.

-- The lowest VNI nobody has.
CREATE FUNCTION vni_lowest_gap(first integer, last integer) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT min(candidate) FROM (
        SELECT first AS candidate UNION ALL SELECT vni + 1 FROM network WHERE vni BETWEEN first AND last - 1
    ) AS c WHERE NOT EXISTS (SELECT FROM network n WHERE n.vni = candidate)
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
ALTER FUNCTION role_grant(uuid, uuid) SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION organization_descends() SECURITY DEFINER SET search_path = public, pg_temp;

-- What somebody holds on a scope: standing, the levels of their roles, and from where it is suspended.
CREATE FUNCTION authority(of_account uuid, of_service_account uuid, on_organization uuid, on_project uuid)
RETURNS TABLE (is_disabled boolean, is_suspended boolean, suspended_from integer, grants json)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH subject AS (
        SELECT organization_id, disabled_at FROM account WHERE id = of_account
        UNION ALL SELECT organization_id, disabled_at FROM service_account WHERE id = of_service_account
    ), place AS (
        SELECT o.ancestors AS path, p.id AS project_id, p.suspended_at
            FROM project p JOIN organization o ON o.id = p.organization_id WHERE p.id = on_project
        UNION ALL SELECT ancestors, NULL, NULL FROM organization WHERE id = on_organization
        UNION ALL SELECT '{}', NULL, NULL WHERE on_organization IS NULL AND on_project IS NULL
    )
    SELECT s.disabled_at IS NOT NULL,
           EXISTS (SELECT FROM organization home JOIN organization above ON above.id = ANY (home.ancestors)
                   WHERE home.id = s.organization_id AND above.suspended_at IS NOT NULL),
           coalesce((SELECT min(array_position(place.path, above.id)) FROM organization above
                     WHERE above.id = ANY (place.path) AND above.suspended_at IS NOT NULL),
                    CASE WHEN place.suspended_at IS NOT NULL THEN cardinality(place.path) + 1 END),
           (SELECT coalesce(json_agg(json_build_object('role', g.role, 'permissions', g.permissions, 'level',
                       CASE g.scope WHEN 'system' THEN 0 WHEN 'organization' THEN array_position(place.path, g.organization_id)
                            ELSE cardinality(place.path) + 1 END)), '[]')
            FROM role_grant(of_account, of_service_account) g
            WHERE place.path IS NOT NULL
              AND (g.scope = 'system' OR g.organization_id = ANY (place.path) OR g.project_id = place.project_id))
    FROM subject s LEFT JOIN place ON true
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
-- What a group has, on whatever scope.
CREATE FUNCTION group_grant(of_group uuid)
RETURNS TABLE (role_binding_id uuid, role text, custom_role_id uuid, permissions text[], organization_id uuid, project_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT b.id, b.role, b.custom_role_id, c.permissions, b.organization_id, b.project_id
    FROM role_binding b LEFT JOIN custom_role c ON c.id = b.custom_role_id WHERE b.group_id = of_group
$$;
