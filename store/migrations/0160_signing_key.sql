-- The keys that sign access tokens.
-- The private halves are sealed with a key of the state directory: the database alone signs nothing.
CREATE TABLE signing_key (
    kid          text PRIMARY KEY,
    state        text NOT NULL CHECK (state IN ('next', 'active', 'retired')),
    sealed       bytea NOT NULL,
    created_at   timestamptz NOT NULL,
    activated_at timestamptz,
    retired_at   timestamptz,
    CONSTRAINT signing_key_activated CHECK ((state = 'next') = (activated_at IS NULL)),
    CONSTRAINT signing_key_retired CHECK ((state = 'retired') = (retired_at IS NOT NULL))
);
-- One that signs, one that will.
CREATE UNIQUE INDEX signing_key_once ON signing_key (state) WHERE state <> 'retired';
