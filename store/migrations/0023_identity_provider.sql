-- Who vouches for the people of an organization (OpenID Connect).
CREATE TABLE identity_provider (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    name            text NOT NULL,
    issuer          text NOT NULL,
    client_id       text NOT NULL,
    -- Sealed with a key of the state directory; none for a public client.
    sealed_secret   bytea,
    scopes          text[] NOT NULL,
    -- Where the provider may send people back to.
    redirect_uris   text[] NOT NULL,
    -- A person's user name is the prefix and this claim.
    username_claim  text NOT NULL,
    username_prefix text NOT NULL,
    -- [{"claim", "value", "group_id"}]: whoever has the value in the claim is in the group.
    rules           jsonb NOT NULL DEFAULT '[]',
    -- Only people whom a rule puts into a group may log in.
    rule_required   boolean NOT NULL DEFAULT false,
    disabled_at     timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, name)
);

ALTER TABLE identity_provider ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON identity_provider TO iroko_tenant USING (organization_id = bound_organization());

-- Accounts made at the first log-in by a provider; they have no password.
ALTER TABLE account
    ADD COLUMN identity_provider_id uuid REFERENCES identity_provider,
    ADD COLUMN external_subject     text,
    ADD CONSTRAINT account_external CHECK ((identity_provider_id IS NULL) = (external_subject IS NULL)),
    ADD CONSTRAINT account_external_password CHECK (identity_provider_id IS NULL OR password_hash IS NULL),
    ADD CONSTRAINT account_external_subject UNIQUE (identity_provider_id, external_subject);
