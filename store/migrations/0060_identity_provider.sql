-- Who vouches for the people of an organization (OpenID Connect).

CREATE TABLE identity_provider (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    name            text NOT NULL,
    description     text NOT NULL DEFAULT '',
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
    labels          jsonb NOT NULL DEFAULT '{}',
    generation      bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, name)
);

-- Its secret is here: tenants' transactions may count it, and read nothing of it.
SELECT noun_register('identity_provider', 'identity_provider', owner => 'system', visible => 'organization_id = bound_organization()',
    fields => 'organization_id name description issuer client_id sealed_secret?has_client_secret scopes redirect_uris username_claim
               username_prefix rules rule_required disabled_at?is_disabled labels generation');
-- Of an organization all the same: it goes with it, after its people.
UPDATE registration SET owner = 'organization', purge_rank = 60 WHERE noun = 'identity_provider';
GRANT SELECT (organization_id) ON identity_provider TO iroko_tenant;
