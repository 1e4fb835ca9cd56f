-- The second factor: codes by the time (RFC 6238), and what replaces a lost telephone.

CREATE TABLE totp (
    account_id   uuid PRIMARY KEY REFERENCES account ON DELETE CASCADE,
    -- Sealed with a key of the state directory.
    sealed       bytea NOT NULL,
    created_at   timestamptz NOT NULL,
    -- Until the first code was right, nothing asks for one.
    confirmed_at timestamptz,
    -- Of the last code that was accepted: no code is good twice.
    last_step    bigint NOT NULL DEFAULT 0
);

CREATE TABLE recovery_code (
    account_id uuid NOT NULL REFERENCES totp ON DELETE CASCADE,
    code_hash  bytea NOT NULL,
    used_at    timestamptz,
    PRIMARY KEY (account_id, code_hash)
);

SELECT part_register('totp');
SELECT event_register('totp', 'second_factor', fields => 'account_id=user_id created_at confirmed_at', key => 'account_id');
