-- Suspended is what is suspended itself or below something that is. The wish of the tenant stays as it is;
-- agents are told another one while it lasts. What is purged is suspended, and then taken apart.
ALTER TABLE organization
    ADD COLUMN purging_at timestamptz,
    ADD CONSTRAINT organization_purging CHECK (purging_at IS NULL OR suspended_at IS NOT NULL);
ALTER TABLE project
    ADD COLUMN purging_at timestamptz,
    ADD CONSTRAINT project_purging CHECK (purging_at IS NULL OR suspended_at IS NOT NULL);
CREATE INDEX organization_to_purge ON organization (id) WHERE purging_at IS NOT NULL;
CREATE INDEX project_to_purge ON project (id) WHERE purging_at IS NOT NULL;

CREATE FUNCTION project_is_suspended(of_project uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT p.suspended_at IS NOT NULL OR EXISTS (
        SELECT FROM organization o JOIN organization above ON above.id = ANY (o.ancestors)
        WHERE o.id = p.organization_id AND above.suspended_at IS NOT NULL)
    FROM project p WHERE p.id = of_project
$$;
