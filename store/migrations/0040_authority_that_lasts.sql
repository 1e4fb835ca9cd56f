-- What lasts asks again, what was ended does not come back, and failures are forgiven only by what they were.

-- An account that is disabled loses what it had begun: enabling it again is no log-in.
ALTER TABLE session DROP CONSTRAINT session_revoked_reason_check;
ALTER TABLE session ADD CONSTRAINT session_revoked_reason_check
    CHECK (revoked_reason IN ('log_out', 'revoked', 'reuse', 'password', 'crowded', 'disabled'));
CREATE FUNCTION account_disabled() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE session SET revoked_at = now(), revoked_reason = 'disabled' WHERE account_id = NEW.id AND revoked_at IS NULL;
    DELETE FROM login_challenge WHERE account_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER account_disabled AFTER UPDATE OF disabled_at ON account FOR EACH ROW
    WHEN (OLD.disabled_at IS NULL AND NEW.disabled_at IS NOT NULL) EXECUTE FUNCTION account_disabled();

-- A stored answer is for the session or key that asked for it, and for no other.
ALTER TABLE idempotency ADD COLUMN credential_id uuid;

-- A right password forgives wrong passwords, a right code wrong codes too. And failures of one client of a network
-- are no reason to keep out another client, who has logged in from their own address before.
ALTER TABLE login_attempt
    ADD COLUMN proof text NOT NULL DEFAULT 'password' CHECK (proof IN ('password', 'code')),
    ADD COLUMN place cidr;
UPDATE login_attempt SET place = network;
ALTER TABLE login_attempt ALTER COLUMN place SET NOT NULL;
CREATE INDEX login_attempt_by_place ON login_attempt (place, at);
