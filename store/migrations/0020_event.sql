-- What happened to rows that people make, written in the transaction that changed them: no use case can forget it.
-- The audit record takes its before and after from here, streams of events follow it.

CREATE TABLE event (
    -- As of the outbox: the transaction's number, so that readers miss nothing.
    revision        bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    seq             bigint GENERATED ALWAYS AS IDENTITY,
    noun            text NOT NULL,
    object_id       uuid NOT NULL,
    verb            text NOT NULL CHECK (verb IN ('created', 'changed', 'deleted')),
    -- Whose it is; in neither what is the system's. An organization is its own.
    organization_id uuid,
    project_id      uuid,
    -- By the names of the API's fields; of a change only those that differ; never a secret. Null: derived by the API.
    before          jsonb,
    after           jsonb,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (revision, seq)
);
CREATE INDEX event_by_project ON event (project_id, revision, seq) WHERE project_id IS NOT NULL;
CREATE INDEX event_by_organization ON event (organization_id, revision, seq) WHERE organization_id IS NOT NULL;
-- What the stream of the system reads.
CREATE INDEX event_of_system ON event (revision, seq) WHERE project_id IS NULL AND (organization_id IS NULL OR noun = 'organization');
CREATE INDEX event_by_age ON event USING brin (created_at);

ALTER TABLE event ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON event TO iroko_tenant;
CREATE POLICY tenant ON event FOR SELECT TO iroko_tenant USING (project_id = bound_project() OR organization_id = bound_organization());

-- A row by the names of the API's fields: `fields` is a list of column, kind and field in turn.
CREATE FUNCTION event_fields(of_row jsonb, fields text[]) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    shown jsonb := '{}';
    n     integer := 1;
BEGIN
    WHILE n < cardinality(fields) LOOP
        shown := shown || jsonb_build_object(fields[n + 2], CASE fields[n + 1]
            WHEN '=' THEN of_row -> fields[n]
            WHEN '?' THEN to_jsonb(of_row ->> fields[n] IS NOT NULL) END);
        n := n + 3;
    END LOOP;
    RETURN shown;
END $$;

-- Arguments: the noun, the column that names the object, the fields as event_register() has read them, and the verb of a part
-- of the noun; '' for the noun itself. A part that comes or goes is a change of all its fields.
CREATE FUNCTION event_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    whole   jsonb := coalesce(new_row, old_row);
    fields  text[] := TG_ARGV[2]::text[];
    differ  text[] := '{}';
    n       integer := 1;
    is_left boolean;
BEGIN
    IF TG_ARGV[3] <> '' THEN
        -- A part that goes with the whole of it: that the whole is deleted says it all, and is the last that is said.
        IF TG_OP = 'DELETE' THEN
            EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE id = $1)', (SELECT r.table_name FROM registration r WHERE r.noun = TG_ARGV[0]))
                INTO is_left USING (old_row ->> TG_ARGV[1])::uuid;
            IF NOT is_left THEN
                RETURN NULL;
            END IF;
        END IF;
        old_row := coalesce(old_row, new_row);
        new_row := whole;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        WHILE n < cardinality(fields) LOOP
            IF old_row -> fields[n] IS DISTINCT FROM new_row -> fields[n] THEN
                differ := differ || fields[n:n + 2];
            END IF;
            n := n + 3;
        END LOOP;
        fields := differ;
    END IF;
    INSERT INTO event (noun, object_id, verb, organization_id, project_id, before, after)
    VALUES (TG_ARGV[0], (whole ->> TG_ARGV[1])::uuid,
            CASE WHEN TG_ARGV[3] <> '' THEN TG_ARGV[3] WHEN TG_OP = 'INSERT' THEN 'created' WHEN TG_OP = 'UPDATE' THEN 'changed' ELSE 'deleted' END,
            CASE TG_ARGV[0] WHEN 'organization' THEN (whole ->> 'id')::uuid
                 -- Parts of somebody, whose organization they do not name. Null where that somebody goes in the same statement.
                 WHEN 'group_member' THEN home_of(NULL, (whole ->> 'group_id')::uuid, NULL)
                 WHEN 'second_factor' THEN home_of((whole ->> 'account_id')::uuid, NULL, NULL)
                 WHEN 'api_key' THEN home_of(NULL, NULL, (whole ->> 'service_account_id')::uuid)
                 ELSE (whole ->> 'organization_id')::uuid END,
            CASE TG_ARGV[0] WHEN 'project' THEN (whole ->> 'id')::uuid ELSE (whole ->> 'project_id')::uuid END,
            event_fields(old_row, fields), event_fields(new_row, fields));
    RETURN NULL;
END $$;
