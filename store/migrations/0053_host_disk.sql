-- Room on the file system where a host keeps disks and images, as its compute-agent last told.
ALTER TABLE host ADD COLUMN disk_total_mib bigint CHECK (disk_total_mib >= 0);
ALTER TABLE host ADD COLUMN disk_free_mib bigint CHECK (disk_free_mib >= 0);
ALTER TABLE host ADD COLUMN disk_is_full boolean NOT NULL DEFAULT false;

-- How much is free changes all the time; that it is full is an event.
DROP TRIGGER event_note ON host;
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON host FOR EACH ROW EXECUTE FUNCTION event_note('host', 'disk_total_mib disk_free_mib');
