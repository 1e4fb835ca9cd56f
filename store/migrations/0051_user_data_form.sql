-- User data that is no text comes as base64 and is stored as it came; its host decodes it.
ALTER TABLE instance ADD COLUMN user_data_is_base64 boolean NOT NULL DEFAULT false;
