SELECT 'create_ember_table';
