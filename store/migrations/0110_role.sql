-- Roles made by an organization from named permissions, and who holds which role where. The built-in roles live in the program.

CREATE TABLE custom_role (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    name            text NOT NULL,
    description     text NOT NULL DEFAULT '',
    permissions     text[] NOT NULL,
    labels          jsonb NOT NULL DEFAULT '{}',
    generation      bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, name)
);
SELECT noun_register('custom_role', 'role', owner => 'organization', purge_rank => 50,
    fields => 'organization_id name description permissions labels generation');
-- Roles from above can be given below.
CREATE POLICY above ON custom_role FOR SELECT TO iroko_tenant USING (organization_id = ANY (bound_path()));

-- One role of one subject on one scope: the system, an organization with all below it, or a project.
CREATE TABLE role_binding (
    id                 uuid PRIMARY KEY,
    account_id         uuid REFERENCES account ON DELETE CASCADE,
    group_id           uuid REFERENCES account_group ON DELETE CASCADE,
    service_account_id uuid REFERENCES service_account ON DELETE CASCADE,
    role               text CHECK (role IN ('operator', 'auditor', 'owner', 'admin', 'member', 'reader')),
    custom_role_id     uuid REFERENCES custom_role,
    scope              text NOT NULL CHECK (scope IN ('system', 'organization', 'project')),
    organization_id    uuid REFERENCES organization ON DELETE CASCADE,
    project_id         uuid REFERENCES project ON DELETE CASCADE,
    generation         bigint NOT NULL DEFAULT 1,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT role_binding_subject CHECK (num_nonnulls(account_id, group_id, service_account_id) = 1),
    CONSTRAINT role_binding_role CHECK (num_nonnulls(role, custom_role_id) = 1),
    CONSTRAINT role_binding_scope CHECK (
        (scope = 'organization') = (organization_id IS NOT NULL) AND (scope = 'project') = (project_id IS NOT NULL)),
    CONSTRAINT role_binding_operator CHECK (role <> 'operator' OR scope = 'system'),
    CONSTRAINT role_binding_once UNIQUE NULLS NOT DISTINCT
        (account_id, group_id, service_account_id, role, custom_role_id, scope, organization_id, project_id)
);
CREATE INDEX role_binding_by_group ON role_binding (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX role_binding_by_service_account ON role_binding (service_account_id) WHERE service_account_id IS NOT NULL;
CREATE INDEX role_binding_by_organization ON role_binding (organization_id) WHERE organization_id IS NOT NULL;
CREATE INDEX role_binding_by_project ON role_binding (project_id) WHERE project_id IS NOT NULL;
CREATE INDEX role_binding_by_custom_role ON role_binding (custom_role_id) WHERE custom_role_id IS NOT NULL;

SELECT noun_register('role_binding', 'role_binding', owner => 'system', may => 'SELECT, INSERT, DELETE',
    visible => 'project_id = bound_project() OR organization_id = bound_organization()',
    fields => 'account_id=user_id group_id service_account_id role custom_role_id organization_id project_id generation');
