select 2 as id, 'two' as name, true as is_new
