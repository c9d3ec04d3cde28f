-- For the lists that operators look at: by name, and those that hold Global Administrator. Sweeps write neither.

CREATE INDEX agreements_by_name ON agreements (name_key {{plain}}, key);
CREATE INDEX agreements_global_admin ON agreements (key) WHERE {{find}}(roles, '62e90394-69f5-4237-9190-012177145e10') > 0;
