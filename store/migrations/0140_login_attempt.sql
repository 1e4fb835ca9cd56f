-- Attempts to log in that are being checked, and those that failed. Subject is a hash: people type
-- their password where the user name belongs.
CREATE TABLE login_attempt (
    id      uuid PRIMARY KEY,
    subject bytea NOT NULL,
    network cidr NOT NULL,
    -- A right password forgives wrong passwords, a right code wrong codes too. And failures of one client of a network
    -- are no reason to keep out another client, who has logged in from their own address before.
    proof   text NOT NULL DEFAULT 'password' CHECK (proof IN ('password', 'code')),
    place   cidr NOT NULL,
    failed  boolean NOT NULL DEFAULT false,
    at      timestamptz NOT NULL
);
CREATE INDEX login_attempt_by_subject ON login_attempt (subject, at);
CREATE INDEX login_attempt_by_network ON login_attempt (network, at);
CREATE INDEX login_attempt_by_age ON login_attempt (at);
CREATE INDEX login_attempt_by_place ON login_attempt (place, at);
