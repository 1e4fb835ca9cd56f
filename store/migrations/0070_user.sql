-- Users. "user" is a reserved word in SQL. Disabled ones cannot log in and what they hold does not count.

CREATE TABLE account (
    id                   uuid PRIMARY KEY,
    organization_id      uuid NOT NULL REFERENCES organization,
    username             text NOT NULL UNIQUE,
    description          text NOT NULL DEFAULT '',
    -- Those who log in by an identity provider, made at the first time, have no password.
    password_hash        text,
    password_changed_at  timestamptz NOT NULL DEFAULT now(),
    identity_provider_id uuid REFERENCES identity_provider,
    external_subject     text,
    disabled_at          timestamptz,
    labels               jsonb NOT NULL DEFAULT '{}',
    generation           bigint NOT NULL DEFAULT 1,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT account_external CHECK ((identity_provider_id IS NULL) = (external_subject IS NULL)),
    CONSTRAINT account_external_password CHECK (identity_provider_id IS NULL OR password_hash IS NULL),
    CONSTRAINT account_external_subject UNIQUE (identity_provider_id, external_subject)
);
CREATE INDEX account_by_organization ON account (organization_id, id);

SELECT noun_register('account', 'user', owner => 'organization', quota => 'users', purge_rank => 20,
    fields => 'organization_id username description password_changed_at identity_provider_id external_subject disabled_at?disabled
               labels generation');
