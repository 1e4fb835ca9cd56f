-- Quotas: the most of something that a project, or an organization with all below it, may have. Usage is counted from the
-- rows themselves, in the transaction that adds to them, under a lock on the quota's row. What can be limited: quota_kind.

CREATE TABLE quota (
    organization_id uuid REFERENCES organization ON DELETE CASCADE,
    project_id      uuid REFERENCES project ON DELETE CASCADE,
    name            text NOT NULL REFERENCES quota_kind,
    most            bigint NOT NULL CHECK (most >= 0),
    CONSTRAINT quota_scope CHECK (num_nonnulls(organization_id, project_id) = 1),
    CONSTRAINT quota_once UNIQUE NULLS NOT DISTINCT (organization_id, project_id, name)
);
CREATE INDEX quota_by_project ON quota (project_id, name) WHERE project_id IS NOT NULL;
SELECT part_register('quota', visible => 'project_id = bound_project() OR organization_id = bound_organization()',
    may => 'SELECT, INSERT, UPDATE, DELETE');
INSERT INTO quota_kind (name) VALUES ('api_requests_per_minute');

CREATE FUNCTION quota_used(of_kind text, of_organization uuid, of_project uuid) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    how text := (SELECT counting FROM quota_kind WHERE name = of_kind);
    organizations uuid[] := ARRAY(SELECT id FROM organization WHERE ancestors @> ARRAY[of_organization]);
    projects uuid[] := CASE WHEN of_project IS NOT NULL THEN ARRAY[of_project]
        ELSE ARRAY(SELECT id FROM project WHERE organization_id = ANY (organizations)) END;
    used bigint;
BEGIN
    IF how IS NOT NULL THEN
        EXECUTE how INTO used USING projects, organizations;
    END IF;
    RETURN used;
END $$;

-- Is any limit set on the way down to what the transaction is bound to?
CREATE FUNCTION quota_is_set() RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM quota WHERE project_id = bound_project())
        OR EXISTS (SELECT FROM quota WHERE organization_id = ANY (bound_path()));
END $$;

-- Locks the limits that adding these amounts could break, from the top down, counts what is there after
-- whoever held the locks before, and returns the limits that would be broken.
CREATE FUNCTION quota_take(names text[], amounts bigint[])
RETURNS TABLE (name text, organization_id uuid, project_id uuid, most bigint, used bigint, asked bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    path uuid[] := bound_path();
    held record;
BEGIN
    FOR held IN
        SELECT q.name, q.organization_id, q.project_id, q.most, a.asked
        FROM unnest(names, amounts) AS a (name, asked) JOIN quota q ON q.name = a.name AND a.asked > 0
        WHERE q.organization_id = ANY (path) OR q.project_id = bound_project()
        ORDER BY q.project_id IS NOT NULL, array_position(path, q.organization_id), q.name
        FOR UPDATE OF q
    LOOP
        used := quota_used(held.name, held.organization_id, held.project_id);
        IF used + held.asked > held.most THEN
            name := held.name;
            organization_id := held.organization_id;
            project_id := held.project_id;
            most := held.most;
            asked := held.asked;
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;

-- Every quota of what the transaction is bound to: limit, usage, and the least limit above it.
CREATE FUNCTION quota_report()
RETURNS TABLE (name text, most bigint, used bigint, most_above bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT k.name,
           (SELECT q.most FROM quota q WHERE q.name = k.name
                AND (q.project_id = bound_project() OR q.organization_id = bound_organization())),
           quota_used(k.name, bound_organization(), bound_project()),
           (SELECT min(q.most) FROM quota q WHERE q.name = k.name AND q.organization_id = ANY (bound_path())
                AND q.organization_id IS DISTINCT FROM bound_organization())
    FROM quota_kind k WHERE NOT k.of_people OR bound_project() IS NULL ORDER BY k.name
$$;

-- What a new organization, or a new project, is limited to. Copied into quota when one is made; those that are there keep
-- what they have.
CREATE TABLE default_quota (
    owner text NOT NULL CHECK (owner IN ('organization', 'project')),
    name  text NOT NULL REFERENCES quota_kind,
    most  bigint NOT NULL CHECK (most >= 0),
    PRIMARY KEY (owner, name)
);
SELECT part_register('default_quota');

-- Nobody gets more than what they are part of: a default that is over a limit above becomes that limit.
CREATE FUNCTION default_quota_copy() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    row_made jsonb := to_jsonb(NEW);
    above    uuid[] := (SELECT ancestors FROM organization
                        WHERE id = coalesce(row_made ->> 'organization_id', row_made ->> 'parent_id')::uuid);
BEGIN
    INSERT INTO quota (organization_id, project_id, name, most)
    SELECT CASE TG_TABLE_NAME WHEN 'organization' THEN NEW.id END, CASE TG_TABLE_NAME WHEN 'project' THEN NEW.id END, d.name,
           least(d.most, (SELECT min(q.most) FROM quota q WHERE q.name = d.name AND q.organization_id = ANY (above)))
    FROM default_quota d WHERE d.owner = TG_TABLE_NAME;
    RETURN NULL;
END $$;
CREATE TRIGGER default_quota_copy AFTER INSERT ON organization FOR EACH ROW EXECUTE FUNCTION default_quota_copy();
CREATE TRIGGER default_quota_copy AFTER INSERT ON project FOR EACH ROW EXECUTE FUNCTION default_quota_copy();
