-- Tenants in a tree, who acts for them, and what each may do.

ALTER TABLE organization
    ADD COLUMN parent_id    uuid REFERENCES organization,
    ADD COLUMN suspended_at timestamptz,
    ADD COLUMN labels       jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN generation   bigint NOT NULL DEFAULT 1,
    ADD CONSTRAINT organization_parent CHECK (parent_id <> id);
CREATE INDEX organization_by_parent ON organization (parent_id, id);

ALTER TABLE project
    ADD COLUMN suspended_at timestamptz,
    ADD COLUMN labels       jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN generation   bigint NOT NULL DEFAULT 1;

-- A person. Disabled ones cannot log in and what they hold no longer counts.
ALTER TABLE account
    ADD COLUMN disabled_at timestamptz,
    ADD COLUMN labels      jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN generation  bigint NOT NULL DEFAULT 1;
CREATE INDEX account_by_organization ON account (organization_id, id);

CREATE TABLE account_group (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    name            text NOT NULL,
    labels          jsonb NOT NULL DEFAULT '{}',
    generation      bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, name)
);

CREATE TABLE account_group_member (
    group_id   uuid NOT NULL REFERENCES account_group ON DELETE CASCADE,
    account_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    PRIMARY KEY (account_id, group_id)
);
CREATE INDEX account_group_member_by_group ON account_group_member (group_id);

-- A program that acts for an organization. It has no password; its credentials are API keys.
CREATE TABLE service_account (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    name            text NOT NULL,
    disabled_at     timestamptz,
    labels          jsonb NOT NULL DEFAULT '{}',
    generation      bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, name)
);

-- A role made by an organization from named permissions. The built-in ones live in the program.
CREATE TABLE custom_role (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    name            text NOT NULL,
    permissions     text[] NOT NULL,
    labels          jsonb NOT NULL DEFAULT '{}',
    generation      bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, name)
);

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
    created_at         timestamptz NOT NULL DEFAULT now(),
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
