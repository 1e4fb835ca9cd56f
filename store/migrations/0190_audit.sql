-- Who asked for what, and what came of it: sealed one after another into a Merkle tree.

CREATE TABLE audit_record (
    id                 uuid PRIMARY KEY,
    revision           bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    organization_id    uuid,
    project_id         uuid,
    actor_id           uuid,
    operation          text NOT NULL,
    outcome            text NOT NULL CHECK (outcome IN ('done', 'refused', 'failed')),
    created_at         timestamptz NOT NULL DEFAULT now(),
    -- Until it is sealed; then the text below is what counts.
    body               jsonb,
    leaf_index         bigint UNIQUE,
    organization_index bigint,
    leaf_hash          bytea,
    record             text,
    CHECK (num_nonnulls(leaf_index, organization_index, leaf_hash, record) IN (0, 4)),
    CHECK ((body IS NULL) = (record IS NOT NULL))
);
CREATE INDEX audit_record_to_seal ON audit_record (revision, id) WHERE leaf_index IS NULL;
CREATE INDEX audit_record_by_organization ON audit_record (organization_id, id);
CREATE INDEX audit_record_by_project ON audit_record (project_id, id) WHERE project_id IS NOT NULL;

-- The right edge of the Merkle tree over all sealed records.
CREATE TABLE audit_tree (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    size bigint NOT NULL DEFAULT 0,
    edge bytea[] NOT NULL DEFAULT '{}'
);
INSERT INTO audit_tree DEFAULT VALUES;

-- The next number of each organization's records; of those of none under the nil id.
CREATE TABLE audit_numbering (
    owner uuid PRIMARY KEY,
    next  bigint NOT NULL
);

-- Tenants read their part; what is written is written by functions of the owner.
ALTER TABLE audit_record ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON audit_record TO iroko_tenant;
CREATE POLICY tenant ON audit_record FOR SELECT TO iroko_tenant USING (project_id = bound_project() OR organization_id = bound_organization());
ALTER TABLE audit_tree ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_numbering ENABLE ROW LEVEL SECURITY;

-- Appends what a request did to the log, and seals its idempotency key, in its transaction. Callable
-- by whoever may change anything; nobody but the owner can change what is in the log.
CREATE FUNCTION audit_append(record_id uuid, of_organization uuid, of_project uuid, by_actor uuid, named text, told jsonb, claimed uuid)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO audit_record (id, organization_id, project_id, actor_id, operation, outcome, body)
    VALUES (record_id, coalesce(of_organization, (SELECT p.organization_id FROM project p WHERE p.id = of_project)), of_project, by_actor, named, 'done', told || jsonb_build_object('changes', coalesce(
        (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('noun', noun, 'id', object_id, 'verb', verb, 'before', before, 'after', after)) ORDER BY seq)
         FROM event WHERE revision = pg_current_xact_id()::text::bigint), '[]')));
    IF claimed IS NOT NULL THEN
        UPDATE idempotency SET committed_at = now() WHERE claim = claimed;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the claim on the idempotency key was lost' USING ERRCODE = '40001';
        END IF;
    END IF;
END $$;
