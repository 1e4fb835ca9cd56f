-- Instances that are gone, as they were last: without their secrets, their host and their ports. A partition a month, of the
-- time of the deletion; what is old goes by dropping one.

CREATE TABLE instance_history (
    id                uuid NOT NULL,
    project_id        uuid NOT NULL,
    name              text NOT NULL,
    description       text NOT NULL,
    hostname          text NOT NULL,
    labels            jsonb NOT NULL,
    flavor_id         uuid NOT NULL,
    vcpus             integer NOT NULL,
    memory_mib        integer NOT NULL,
    disk_gib          integer NOT NULL,
    ingress_kbit_s    integer,
    egress_kbit_s     integer,
    ingress_packets_s integer,
    egress_packets_s  integer,
    image_id          uuid NOT NULL,
    ssh_key_ids       uuid[] NOT NULL DEFAULT '{}',
    generation        bigint NOT NULL,
    on_guest_shutdown text NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    deleted_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, deleted_at)
) PARTITION BY RANGE (deleted_at);
CREATE INDEX instance_history_by_project ON instance_history (project_id, id);
-- Nothing is refused where nobody made the month's.
CREATE TABLE instance_history_default PARTITION OF instance_history DEFAULT;

SELECT part_register('instance_history', visible => 'project_id = bound_project()', may => 'SELECT, INSERT, DELETE');
UPDATE registration SET owner = 'project', purge_rank = 45 WHERE table_name = 'instance_history';

-- A partition by itself is out of tenants' reach, and behind the same wall as the whole all the same.
CREATE FUNCTION partition_guard(part regclass, whole regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', part);
    EXECUTE format('CREATE POLICY tenant ON %s TO iroko_tenant USING (%s)', part,
                   (SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = whole AND polname = 'tenant'));
END $$;
SELECT partition_guard('instance_history_default', 'instance_history');

-- Makes the partitions of this month and the next `ahead`, and drops those that ended more than `keep` ago. Names are those
-- of the month. Called by the scheduler; what is there already stays as it is. Returns how many it made and dropped.
CREATE FUNCTION partition_months(of_table regclass, ahead integer, keep interval) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    month timestamptz := date_trunc('month', now(), 'UTC');
    name  text;
    done  integer := 0;
BEGIN
    FOR n IN 0..ahead LOOP
        name := format('%s_%s', of_table, to_char((month + make_interval(months => n)) AT TIME ZONE 'UTC', 'YYYY_MM'));
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %s FOR VALUES FROM (%L) TO (%L)', name, of_table,
                           month + make_interval(months => n), month + make_interval(months => n + 1));
            PERFORM partition_guard(name::regclass, of_table);
            done := done + 1;
        END IF;
    END LOOP;
    FOR name IN SELECT c.relname FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
                WHERE h.inhparent = of_table AND c.relname ~ '_[0-9]{4}_[0-9]{2}$'
                  AND to_timestamp(right(c.relname, 7) || ' +00', 'YYYY_MM TZH') + interval '1 month' < now() - keep
    LOOP
        EXECUTE format('DROP TABLE %I', name);
        done := done + 1;
    END LOOP;
    RETURN done;
END $$;
SELECT partition_months('instance_history', 2, '100 years');
