-- Credentials of service accounts. Shown once; what is kept cannot be turned back.
CREATE TABLE api_key (
    id                 uuid PRIMARY KEY,
    service_account_id uuid NOT NULL REFERENCES service_account ON DELETE CASCADE,
    name               text NOT NULL,
    -- The first characters, by which a person recognises it.
    prefix             text NOT NULL,
    secret_hash        bytea NOT NULL UNIQUE,
    -- Restricts what the roles of the service account allow; NULL: nothing more than they do.
    permissions        text[],
    -- From where it may be used; empty: from anywhere.
    source_networks    cidr[] NOT NULL DEFAULT '{}',
    created_at         timestamptz NOT NULL,
    expires_at         timestamptz,
    -- Within some minutes.
    last_used_at       timestamptz,
    UNIQUE (service_account_id, name)
);
CREATE INDEX api_key_by_service_account ON api_key (service_account_id, id);
