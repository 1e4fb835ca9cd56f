-- Sessions with their refresh tokens, and log-ins that wait for a code.

-- One log-in, from the password to the log-out. Access tokens name it; each request looks whether it holds.
CREATE TABLE session (
    id              uuid PRIMARY KEY,
    account_id      uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    method          text NOT NULL CHECK (method IN ('password', 'oidc')),
    -- What the client holds: an access and a refresh token, or the cookie of a browser. The secret of one kind is none of the other.
    carrier         text NOT NULL CHECK (carrier IN ('token', 'cookie')),
    source          inet NOT NULL,
    user_agent      text,
    created_at      timestamptz NOT NULL,
    -- Last exchange of its secret.
    used_at         timestamptz NOT NULL,
    idle_expires_at timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    revoked_at      timestamptz,
    revoked_reason  text CHECK (revoked_reason IN ('log_out', 'revoked', 'reuse', 'password', 'crowded', 'disabled')),
    CONSTRAINT session_revoked CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
);
CREATE INDEX session_by_account ON session (account_id, id);
CREATE INDEX session_by_end ON session (expires_at);

-- Every secret a session ever had, refresh tokens or values of its cookie: the one without used_at is the current one, and any
-- other that comes back was stolen or is a lost answer.
CREATE TABLE refresh_token (
    token_hash bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES session ON DELETE CASCADE,
    used_at    timestamptz,
    -- Its successor was given a second time.
    repeated   boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX refresh_token_current ON refresh_token (session_id) WHERE used_at IS NULL;
CREATE INDEX refresh_token_by_session ON refresh_token (session_id);

-- Log-ins whose password was right and whose code is awaited.
CREATE TABLE login_challenge (
    token_hash bytea PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX login_challenge_by_end ON login_challenge (expires_at);
CREATE INDEX login_challenge_by_account ON login_challenge (account_id);

-- An account that is disabled loses what it had begun: enabling it again is no log-in.
CREATE FUNCTION account_disabled() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE session SET revoked_at = now(), revoked_reason = 'disabled' WHERE account_id = NEW.id AND revoked_at IS NULL;
    DELETE FROM login_challenge WHERE account_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER account_disabled AFTER UPDATE OF disabled_at ON account FOR EACH ROW
    WHEN (OLD.disabled_at IS NULL AND NEW.disabled_at IS NOT NULL) EXECUTE FUNCTION account_disabled();
