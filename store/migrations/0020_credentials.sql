-- Passwords, sessions with their refresh tokens, failed log-ins, and the keys that sign access tokens.

-- Accounts of an identity provider have no password.
ALTER TABLE account
    ALTER COLUMN password_hash DROP NOT NULL,
    ADD COLUMN password_changed_at timestamptz NOT NULL DEFAULT now();

-- One log-in, from the password to the log-out. Access tokens name it; each request looks whether it holds.
CREATE TABLE session (
    id              uuid PRIMARY KEY,
    account_id      uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    method          text NOT NULL CHECK (method IN ('password', 'oidc')),
    source          inet NOT NULL,
    user_agent      text,
    created_at      timestamptz NOT NULL,
    -- Last exchange of a refresh token.
    used_at         timestamptz NOT NULL,
    idle_expires_at timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    revoked_at      timestamptz,
    revoked_reason  text CHECK (revoked_reason IN ('log_out', 'revoked', 'reuse', 'password', 'crowded')),
    CONSTRAINT session_revoked CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
);
CREATE INDEX session_by_account ON session (account_id, id);
CREATE INDEX session_by_end ON session (expires_at);

-- Every refresh token a session ever had: the one without used_at is the current one, and any other
-- that comes back was stolen or is a lost answer.
CREATE TABLE refresh_token (
    token_hash bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES session ON DELETE CASCADE,
    used_at    timestamptz,
    -- Its successor was given a second time.
    repeated   boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX refresh_token_current ON refresh_token (session_id) WHERE used_at IS NULL;
CREATE INDEX refresh_token_by_session ON refresh_token (session_id);

-- Attempts to log in that are being checked, and those that failed. Subject is a hash: people type
-- their password where the user name belongs.
CREATE TABLE login_attempt (
    id      uuid PRIMARY KEY,
    subject bytea NOT NULL,
    network cidr NOT NULL,
    failed  boolean NOT NULL DEFAULT false,
    at      timestamptz NOT NULL
);
CREATE INDEX login_attempt_by_subject ON login_attempt (subject, at);
CREATE INDEX login_attempt_by_network ON login_attempt (network, at);
CREATE INDEX login_attempt_by_age ON login_attempt (at);

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
