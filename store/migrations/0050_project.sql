-- Projects: the owners of everything a tenant makes.

CREATE TABLE project (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    name            text NOT NULL,
    description     text NOT NULL DEFAULT '',
    suspended_at    timestamptz,
    purging_at      timestamptz,
    labels          jsonb NOT NULL DEFAULT '{}',
    generation      bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT project_purging CHECK (purging_at IS NULL OR suspended_at IS NOT NULL),
    UNIQUE (organization_id, name)
);
CREATE INDEX project_to_purge ON project (id) WHERE purging_at IS NOT NULL;

-- Its projects are purged each by itself, before the organization.
SELECT noun_register('project', 'project', owner => 'organization', quota => 'projects', purge_rank => 10, purge_when => 'false',
    visible => 'id = bound_project() OR organization_id = bound_organization()',
    fields => 'organization_id name description suspended_at~status purging_at~status labels generation');

-- The name of the organization that a project belongs to. A transaction bound to a project sees no organization, and learns
-- by this the name of its own only.
CREATE FUNCTION owner_name(of_organization uuid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (SELECT name FROM organization WHERE id = of_organization
            AND (num_nonnulls(bound_project(), bound_organization()) = 0 OR id = bound_organization()
                 OR id = (SELECT organization_id FROM project WHERE id = bound_project())));
END $$;

CREATE FUNCTION project_is_suspended(of_project uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (SELECT p.suspended_at IS NOT NULL OR EXISTS (
                SELECT FROM organization o JOIN organization above ON above.id = ANY (o.ancestors)
                WHERE o.id = p.organization_id AND above.suspended_at IS NOT NULL)
            FROM project p WHERE p.id = of_project);
END $$;
