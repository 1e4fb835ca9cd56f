-- A second wall between tenants. Requests of tenants run as iroko_tenant, a role that row-level
-- security holds for, bound to one project or one organization by settings of their transaction.
-- Everybody else (scheduler, hub, agents, operators) is the owner of the tables, for whom the
-- policies do not count. Why what is as it is: docs/adr/0007.

CREATE EXTENSION IF NOT EXISTS btree_gist;

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
-- The organizations from the top down to what the transaction is bound to. PostgreSQL plans a function in SQL anew at
-- each call when it cannot be part of the caller's plan, as with SECURITY DEFINER; in PL/pgSQL it is planned once a session.
CREATE FUNCTION bound_path() RETURNS uuid[]
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (SELECT ancestors FROM organization
            WHERE id = coalesce(bound_organization(), (SELECT organization_id FROM project WHERE id = bound_project())));
END $$;

-- As the ids made elsewhere (RFC 9562): the time in front, random behind.
CREATE FUNCTION uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$;
