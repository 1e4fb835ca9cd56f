-- What shall be when a guest shuts itself down, and when one last did: the instance is then wanted stopped by its
-- own guest, until somebody starts it.
ALTER TABLE instance ADD COLUMN on_guest_shutdown text NOT NULL DEFAULT 'stay_off' CHECK (on_guest_shutdown IN ('stay_off', 'start_again'));
ALTER TABLE instance ADD COLUMN guest_shutdown_at timestamptz;

DROP TRIGGER event_note ON instance;
CREATE TRIGGER event_note AFTER INSERT OR DELETE ON instance FOR EACH ROW
    EXECUTE FUNCTION event_note('instance', 'user_data user_data_is_base64 host_id excluded_hosts observed_state observed_generation observed_reboots observed_reason observed_incarnation observed_sequence observed_at ran_at placement_after placement_reason fault deleted_at guest_shutdown_at');
DROP TRIGGER event_note_change ON instance;
CREATE TRIGGER event_note_change AFTER UPDATE ON instance FOR EACH ROW
    WHEN ((OLD.name, OLD.labels, OLD.power, OLD.generation, OLD.host_id, OLD.observed_state, OLD.observed_reboots, OLD.fault, OLD.placement_reason, OLD.deleted_at)
          IS DISTINCT FROM (NEW.name, NEW.labels, NEW.power, NEW.generation, NEW.host_id, NEW.observed_state, NEW.observed_reboots, NEW.fault, NEW.placement_reason, NEW.deleted_at))
    EXECUTE FUNCTION event_note('instance', 'user_data user_data_is_base64 excluded_hosts observed_generation observed_incarnation observed_sequence observed_at placement_after');
