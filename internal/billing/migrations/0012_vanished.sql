-- The block that an entry was mined in before a reorganisation took it out of the chain again, while it is in none. A balance
-- that was read with it is too high by it.
ALTER TABLE journal ADD COLUMN was_block INTEGER;
