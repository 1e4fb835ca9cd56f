-- Requests that must not be carried out twice.
CREATE TABLE idempotency (
    id           uuid PRIMARY KEY,
    subject_id   uuid NOT NULL,
    key_hash     bytea NOT NULL,
    request_hash bytea NOT NULL,
    -- Whose turn it is; somebody else may take over when the lease has run out and nothing was committed.
    claim        uuid NOT NULL,
    lease        timestamptz NOT NULL,
    committed_at timestamptz,
    status       smallint,
    -- Encrypted with the key that only the client has.
    answer       bytea,
    -- A stored answer is for the session or key that asked for it, and for no other.
    credential_id uuid,
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (subject_id, key_hash)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);

ALTER TABLE idempotency ENABLE ROW LEVEL SECURITY;
