-- Service accounts: programs that act for an organization. They have no password; their credentials are API keys.

CREATE TABLE service_account (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    name            text NOT NULL,
    description     text NOT NULL DEFAULT '',
    disabled_at     timestamptz,
    labels          jsonb NOT NULL DEFAULT '{}',
    generation      bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, name)
);
SELECT noun_register('service_account', 'service_account', owner => 'organization', purge_rank => 40,
    fields => 'organization_id name description disabled_at?disabled labels generation');
