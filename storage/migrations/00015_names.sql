-- For finding customers by a name that relationships have for them, and tenants by the domain of a mail address.

-- A look at names needs nothing else. Whoever has no name is found by id.
CREATE INDEX agreements_of_customer_names ON agreements (customer_name {{plain}}, customer_id {{plain}}) WHERE customer_name <> '';
CREATE INDEX contacts_of_domain ON contacts (substr(mail_key, {{find}}(mail_key, '@') + 1));
