-- Holds in force are listed by what they are about, the latest first, however many there are of them, or were. Only who places and releases writes here.
CREATE INDEX holds_listed ON holds (kind, id) WHERE released_at IS NULL;
