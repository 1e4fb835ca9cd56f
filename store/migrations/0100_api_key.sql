-- Credentials of service accounts. Shown once; what is kept cannot be turned back.

CREATE TABLE api_key (
    id                 uuid PRIMARY KEY,
    service_account_id uuid NOT NULL REFERENCES service_account ON DELETE CASCADE,
    name               text NOT NULL,
    description        text NOT NULL DEFAULT '',
    -- The first characters, by which a person recognises it.
    prefix             text NOT NULL,
    secret_hash        bytea NOT NULL UNIQUE,
    -- Restricts what the roles of the service account allow; NULL: nothing more than they do.
    permissions        text[],
    -- From where it may be used; empty: from anywhere.
    source_networks    cidr[] NOT NULL DEFAULT '{}',
    labels             jsonb NOT NULL DEFAULT '{}',
    generation         bigint NOT NULL DEFAULT 1,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL DEFAULT now(),
    expires_at         timestamptz,
    -- Within some minutes.
    last_used_at       timestamptz,
    UNIQUE (service_account_id, name)
);
CREATE INDEX api_key_by_service_account ON api_key (service_account_id, id);

SELECT noun_register('api_key', 'api_key', owner => 'system', plural => 'API keys',
    fields => 'service_account_id name description prefix permissions source_networks labels generation expires_at');
