-- The session an agent was in when it last enrolled. While its incarnation is still this one, the
-- answer to the enrolment may have been lost, and the agent may ask again.
ALTER TABLE host_agent ADD COLUMN enrolled_incarnation bigint NOT NULL DEFAULT 0;
