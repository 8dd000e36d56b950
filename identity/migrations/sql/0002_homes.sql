-- Where identifiers were first linked: at the loser of the first merge that moved them.
UPDATE identifier
SET linked_at = first_seen,
    home_id = COALESCE(
        (SELECT loser_id FROM merge WHERE identifier.key = ANY(merge.identifiers) ORDER BY id LIMIT 1),
        profile_id);
