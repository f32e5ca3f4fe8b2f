-- How much of the allowance rests on nothing but a provider's claim. It lapses as far as the provider stops claiming it
-- without having taken it. Of older allowances it is not known, and most came of claims.
ALTER TABLE accounts ADD COLUMN lent TEXT NOT NULL DEFAULT '0';
UPDATE accounts SET lent = carried;
