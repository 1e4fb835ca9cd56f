-- One registration a table: who sees it, what of it makes events, how it is counted, and when it goes in a purge.
-- A new noun is its table and one call of noun_register(); what belongs to a noun is a call of part_register().
-- Tables that are in neither are the system's own, named in store/tests/it/registration.rs.

CREATE TABLE registration (
    table_name text PRIMARY KEY,
    -- The noun, in the API's word; the plural in words that people are shown.
    noun       text UNIQUE,
    plural     text,
    -- Whose the rows are: 'project', 'organization', or 'system' for what is nobody's.
    owner      text NOT NULL CHECK (owner IN ('project', 'organization', 'system')),
    -- Its place when a project or organization is purged; null: it goes with what it belongs to, or never.
    purge_rank integer,
    -- The rows that go, and the rows that count as left.
    purge_when text NOT NULL DEFAULT 'true',
    left_when  text NOT NULL DEFAULT 'true',
    CONSTRAINT registration_rank UNIQUE (owner, purge_rank)
);
-- It says nothing of anybody; left_in() reads it for tenants.
ALTER TABLE registration ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON registration TO iroko_tenant;
CREATE POLICY tenant ON registration FOR SELECT TO iroko_tenant USING (true);

-- What can be limited, and how it is counted: $1 are projects, $2 are organizations. What has no count is a rate, held
-- elsewhere. A new limit is a row here and a call of quota_take where something is made.
CREATE TABLE quota_kind (
    name      text PRIMARY KEY,
    counting  text,
    -- Of an organization only.
    of_people boolean NOT NULL DEFAULT false
);

-- Who sees the rows, and what tenants may do with those that they see.
CREATE FUNCTION table_guard(of_table regclass, visible text, may text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF visible IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', of_table);
        EXECUTE format('CREATE POLICY tenant ON %s TO iroko_tenant USING (%s)', of_table, visible);
    END IF;
    IF may IS NOT NULL THEN
        EXECUTE format('GRANT %s ON %s TO iroko_tenant', may, of_table);
    END IF;
END $$;

-- Something that belongs to a noun. `visible`: the condition for tenants' eyes; `may`: what they may do.
CREATE FUNCTION part_register(of_table regclass, visible text DEFAULT NULL, may text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registration (table_name, owner) VALUES (of_table::text, 'system');
    PERFORM table_guard(of_table, visible, may);
END $$;

-- The columns of `fields` as they were and as they are, of rows in which one of them differs.
CREATE FUNCTION fields_differ(columns text[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT format('(%s) IS DISTINCT FROM (%s)', string_agg(format('OLD.%I', c), ', '), string_agg(format('NEW.%I', c), ', '))
    FROM unnest(columns) AS c
$$;

-- Which columns make events, and by which names of the API's fields. An allow list, of words:
--   name               the column, by its own name
--   mac=mac_address    the column, by another name
--   disabled_at?disabled   whether it is set
--   host_id~status     what the API derives from it: that the field changed, without a value
-- `verb`: what happens to the noun, where the table is a part of it and its rows come and go.
CREATE FUNCTION event_register(of_table regclass, noun text, fields text, key text DEFAULT 'id', verb text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    columns text[];
    read    text[];
BEGIN
    SELECT array_agg(DISTINCT w[1]), array_agg(f ORDER BY n, m) INTO columns, read
    FROM regexp_split_to_table(btrim(fields, E' \n\t'), '\s+') WITH ORDINALITY AS t (word, n),
         regexp_match(word, '^([a-z0-9_]+)([=?~]?)(.*)$') AS w,
         unnest(ARRAY[w[1], coalesce(nullif(w[2], ''), '='), coalesce(nullif(w[3], ''), w[1])]) WITH ORDINALITY AS v (f, m);
    EXECUTE format('CREATE TRIGGER event_note AFTER INSERT OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION event_note(%L, %L, %L, %L)',
                   of_table, noun, key, read, coalesce(verb, ''));
    EXECUTE format('CREATE TRIGGER event_note_change AFTER UPDATE ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION event_note(%L, %L, %L, %L)',
                   of_table, fields_differ(columns), noun, key, read, coalesce(verb, ''));
END $$;

CREATE FUNCTION noun_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;
-- Keeps updated_at: when one of these columns last changed.
CREATE FUNCTION touch_register(of_table regclass, fields text, seen text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    columns text[] := ARRAY(SELECT DISTINCT substring(word FROM '^[a-z0-9_]+')
                            FROM regexp_split_to_table(btrim(fields, E' \n\t'), '\s+') AS word);
BEGIN
    columns := ARRAY(SELECT c FROM unnest(columns) AS c WHERE c <> ALL (regexp_split_to_array(seen, '\s+')));
    EXECUTE format('CREATE TRIGGER noun_touch BEFORE UPDATE ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION noun_touch()',
                   of_table, fields_differ(columns));
END $$;

-- A noun.
--   owner       'project' or 'organization': by the column of that name; 'system': not for tenants' eyes but by `may`
--   fields      what makes events, see event_register(); seen: those of them that hosts report, no change of the noun
--   may         what tenants may do with rows that they see
--   visible     the condition for tenants' eyes, where it is not the owner's
--   quota       the name of the limit on how many there are; quota_when: those that count
--   purge_rank  its place in a purge of its owner; purge_when, left_when: see the table
CREATE FUNCTION noun_register(of_table regclass, noun text, owner text, fields text, plural text DEFAULT NULL, seen text DEFAULT '',
                              may text DEFAULT NULL, visible text DEFAULT NULL, quota text DEFAULT NULL, purge_rank integer DEFAULT NULL,
                              purge_when text DEFAULT 'true', left_when text DEFAULT 'true', quota_when text DEFAULT 'true')
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registration (table_name, noun, plural, owner, purge_rank, purge_when, left_when)
    VALUES (of_table::text, noun, coalesce(plural, replace(noun, '_', ' ') || 's'), owner, purge_rank, purge_when, left_when);
    IF owner = 'system' THEN
        PERFORM table_guard(of_table, visible, may);
    ELSE
        PERFORM table_guard(of_table, coalesce(visible, format('%I = bound_%s()', owner || '_id', owner)),
                            coalesce(may, 'SELECT, INSERT, UPDATE, DELETE'));
    END IF;
    PERFORM event_register(of_table, noun, fields);
    PERFORM touch_register(of_table, fields, seen);
    IF quota IS NOT NULL THEN
        INSERT INTO quota_kind (name, counting, of_people) VALUES
            (quota, format('SELECT count(*) FROM %s WHERE %I = ANY ($%s) AND %s', of_table, owner || '_id',
                           CASE owner WHEN 'project' THEN 1 ELSE 2 END, quota_when), owner = 'organization');
    END IF;
END $$;

-- What is left in the project or organization that the transaction is bound to.
CREATE FUNCTION left_in(of_owner text, of_id uuid) RETURNS TABLE (plural text, number bigint) LANGUAGE plpgsql STABLE AS $$
DECLARE kind record;
BEGIN
    FOR kind IN SELECT r.table_name, r.plural, r.left_when FROM registration r
                WHERE r.owner = of_owner AND r.noun IS NOT NULL AND r.purge_rank IS NOT NULL ORDER BY r.purge_rank
    LOOP
        EXECUTE format('SELECT count(*) FROM %s WHERE %I = $1 AND %s', kind.table_name, of_owner || '_id', kind.left_when)
            INTO number USING of_id;
        IF number > 0 THEN
            plural := kind.plural;
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;

-- Removes what a project or an organization owns, in the order of the ranks. What must be ended by others first stays, and
-- with it its owner: a foreign key says so.
CREATE FUNCTION purge_owned(of_owner text, of_id uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE kind record;
BEGIN
    FOR kind IN SELECT r.table_name, r.purge_when FROM registration r
                WHERE r.owner = of_owner AND r.purge_rank IS NOT NULL ORDER BY r.purge_rank
    LOOP
        EXECUTE format('DELETE FROM %s WHERE %I = $1 AND %s', kind.table_name, of_owner || '_id', kind.purge_when) USING of_id;
    END LOOP;
END $$;
