-- An upload reserves the quota image_gib before its bytes are written. What is reserved counts while the upload's
-- lease lasts: an API that dies gives it back by the lease's end.
ALTER TABLE image ADD COLUMN reserved_gib bigint NOT NULL DEFAULT 0 CHECK (reserved_gib >= 0);

UPDATE quota_kind SET counting = $$SELECT coalesce(sum(CASE WHEN status = 'uploading' THEN CASE WHEN upload_lease > now() THEN reserved_gib ELSE 0 END
        ELSE ceil(size_bytes / 1073741824.0) END), 0)::bigint FROM image WHERE project_id = ANY ($1)$$
    WHERE name = 'image_gib';

DROP TRIGGER event_note ON image;
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON image FOR EACH ROW EXECUTE FUNCTION event_note('image', 'upload_id upload_lease reserved_gib');
