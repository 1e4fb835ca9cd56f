-- Organizations: tenants in a tree.

CREATE TABLE organization (
    id           uuid PRIMARY KEY,
    parent_id    uuid REFERENCES organization,
    -- The way down to it, itself last. Kept, because organizations never move: what holds on an organization and all
    -- above it is then one comparison, and no walk.
    ancestors    uuid[] NOT NULL,
    name         text NOT NULL,
    description  text NOT NULL DEFAULT '',
    -- Suspended is what is suspended itself or below something that is. The wish of the tenant stays as it is;
    -- agents are told another one while it lasts. What is purged is suspended, and then taken apart.
    suspended_at timestamptz,
    purging_at   timestamptz,
    labels       jsonb NOT NULL DEFAULT '{}',
    generation   bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT organization_parent CHECK (parent_id <> id),
    CONSTRAINT organization_depth CHECK (cardinality(ancestors) BETWEEN 1 AND 8),
    CONSTRAINT organization_ancestors CHECK (ancestors[cardinality(ancestors)] = id
        AND (cardinality(ancestors) = 1) = (parent_id IS NULL)
        AND (parent_id IS NULL OR ancestors[cardinality(ancestors) - 1] = parent_id)),
    CONSTRAINT organization_purging CHECK (purging_at IS NULL OR suspended_at IS NOT NULL),
    -- Names of other people's customers are none of one's business.
    CONSTRAINT organization_name UNIQUE NULLS NOT DISTINCT (parent_id, name)
);
CREATE INDEX organization_by_parent ON organization (parent_id, id);
CREATE INDEX organization_by_ancestor ON organization USING gin (ancestors);
CREATE INDEX organization_to_purge ON organization (id) WHERE purging_at IS NOT NULL;

CREATE FUNCTION organization_descends() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.parent_id := OLD.parent_id;
        NEW.ancestors := OLD.ancestors;
    ELSE
        NEW.ancestors := coalesce((SELECT ancestors FROM organization WHERE id = NEW.parent_id), '{}') || NEW.id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER organization_descends BEFORE INSERT OR UPDATE ON organization
    FOR EACH ROW EXECUTE FUNCTION organization_descends();

SELECT noun_register('organization', 'organization', owner => 'system', may => 'SELECT, INSERT, UPDATE, DELETE',
    fields => 'parent_id name description suspended_at~status purging_at~status labels generation');
-- Itself, and customers right below to make and to list. The organization of a bound project is named where a role is
-- looked up; its row is not shown.
ALTER TABLE organization ENABLE ROW LEVEL SECURITY;
CREATE POLICY itself ON organization TO iroko_tenant USING (id = bound_organization()) WITH CHECK (id = bound_organization());
CREATE POLICY below ON organization FOR SELECT TO iroko_tenant USING (parent_id = bound_organization());
CREATE POLICY made_below ON organization FOR INSERT TO iroko_tenant WITH CHECK (parent_id = bound_organization());
