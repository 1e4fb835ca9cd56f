-- What happened: to rows that people make (event), and who asked for it (audit_record). Both are
-- written in the transaction that changed something; neither can be forgotten by a use case.

CREATE TABLE event (
    -- As of the outbox: the transaction's number, so that readers miss nothing.
    revision        bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    seq             bigint GENERATED ALWAYS AS IDENTITY,
    noun            text NOT NULL,
    object_id       uuid NOT NULL,
    verb            text NOT NULL CHECK (verb IN ('created', 'changed', 'deleted')),
    organization_id uuid,
    project_id      uuid,
    -- Of a change only the columns that differ; never a secret.
    before          jsonb,
    after           jsonb,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (revision, seq)
);
CREATE INDEX event_by_project ON event (project_id, revision, seq) WHERE project_id IS NOT NULL;
CREATE INDEX event_by_age ON event USING brin (created_at);

-- Arguments: the noun, the columns that are secret or only say when something was last seen, and the
-- column that names the object.
CREATE FUNCTION event_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    hidden  text[] := string_to_array(TG_ARGV[1], ' ');
    old_row jsonb;
    new_row jsonb;
    whole   jsonb;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        old_row := to_jsonb(OLD) - hidden;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        new_row := to_jsonb(NEW) - hidden;
    END IF;
    whole := coalesce(new_row, old_row);
    IF TG_OP = 'UPDATE' THEN
        IF old_row = new_row THEN
            RETURN NULL;
        END IF;
        SELECT jsonb_object_agg(o.key, o.value), jsonb_object_agg(o.key, new_row -> o.key) INTO old_row, new_row
        FROM jsonb_each(old_row) AS o WHERE o.value IS DISTINCT FROM new_row -> o.key;
    END IF;
    INSERT INTO event (noun, object_id, verb, organization_id, project_id, before, after)
    VALUES (TG_ARGV[0], (whole ->> coalesce(TG_ARGV[2], 'id'))::uuid,
            CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'changed' ELSE 'deleted' END,
            (whole ->> 'organization_id')::uuid,
            CASE TG_ARGV[0] WHEN 'project' THEN (whole ->> 'id')::uuid ELSE (whole ->> 'project_id')::uuid END,
            old_row, new_row);
    RETURN NULL;
END $$;

-- One line a noun.
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON organization FOR EACH ROW EXECUTE FUNCTION event_note('organization', '');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON project FOR EACH ROW EXECUTE FUNCTION event_note('project', '');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON account FOR EACH ROW EXECUTE FUNCTION event_note('user', 'password_hash');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON account_group FOR EACH ROW EXECUTE FUNCTION event_note('group', '');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON account_group_member FOR EACH ROW EXECUTE FUNCTION event_note('group_member', '', 'group_id');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON service_account FOR EACH ROW EXECUTE FUNCTION event_note('service_account', '');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON api_key FOR EACH ROW EXECUTE FUNCTION event_note('api_key', 'secret_hash last_used_at');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON identity_provider FOR EACH ROW EXECUTE FUNCTION event_note('identity_provider', 'sealed_secret');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON totp FOR EACH ROW EXECUTE FUNCTION event_note('second_factor', 'sealed last_step', 'account_id');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON custom_role FOR EACH ROW EXECUTE FUNCTION event_note('role', '');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON role_binding FOR EACH ROW EXECUTE FUNCTION event_note('role_binding', '');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON flavor FOR EACH ROW EXECUTE FUNCTION event_note('flavor', '');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON image FOR EACH ROW EXECUTE FUNCTION event_note('image', 'upload_id upload_lease');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON ssh_key FOR EACH ROW EXECUTE FUNCTION event_note('ssh_key', '');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON network FOR EACH ROW EXECUTE FUNCTION event_note('network', 'vni');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON subnet FOR EACH ROW EXECUTE FUNCTION event_note('subnet', '');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON host FOR EACH ROW EXECUTE FUNCTION event_note('host', '');
CREATE TRIGGER event_note AFTER INSERT OR DELETE ON enrolment_token FOR EACH ROW EXECUTE FUNCTION event_note('enrolment_token', 'secret_hash');
CREATE TRIGGER event_note AFTER INSERT OR DELETE ON port FOR EACH ROW EXECUTE FUNCTION event_note('port', 'tap observed_state observed_generation observed_reason observed_incarnation observed_sequence');
CREATE TRIGGER event_note_change AFTER UPDATE OF instance_id, name, labels, observed_state ON port FOR EACH ROW
    WHEN ((OLD.instance_id, OLD.name, OLD.labels, OLD.observed_state) IS DISTINCT FROM (NEW.instance_id, NEW.name, NEW.labels, NEW.observed_state))
    EXECUTE FUNCTION event_note('port', 'tap observed_generation observed_incarnation observed_sequence');
-- Which host it is on is the operator's business.
CREATE TRIGGER event_note AFTER INSERT OR DELETE ON instance FOR EACH ROW
    EXECUTE FUNCTION event_note('instance', 'user_data host_id excluded_hosts observed_state observed_generation observed_reboots observed_reason observed_incarnation observed_sequence observed_at ran_at placement_after placement_reason fault deleted_at');
CREATE TRIGGER event_note_change AFTER UPDATE ON instance FOR EACH ROW
    WHEN ((OLD.name, OLD.labels, OLD.power, OLD.generation, OLD.host_id, OLD.observed_state, OLD.observed_reboots, OLD.fault, OLD.placement_reason, OLD.deleted_at)
          IS DISTINCT FROM (NEW.name, NEW.labels, NEW.power, NEW.generation, NEW.host_id, NEW.observed_state, NEW.observed_reboots, NEW.fault, NEW.placement_reason, NEW.deleted_at))
    EXECUTE FUNCTION event_note('instance', 'user_data excluded_hosts observed_generation observed_incarnation observed_sequence observed_at placement_after');

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
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (subject_id, key_hash)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);

-- Tenants read their part of both; what is written is written by functions of the owner.
ALTER TABLE event ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON event TO iroko_tenant;
CREATE POLICY tenant ON event FOR SELECT TO iroko_tenant USING (project_id = bound_project() OR organization_id = bound_organization());
ALTER TABLE audit_record ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON audit_record TO iroko_tenant;
CREATE POLICY tenant ON audit_record FOR SELECT TO iroko_tenant USING (project_id = bound_project() OR organization_id = bound_organization());
ALTER TABLE audit_tree ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_numbering ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency ENABLE ROW LEVEL SECURITY;

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
