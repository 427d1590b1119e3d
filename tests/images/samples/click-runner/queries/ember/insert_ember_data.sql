SELECT 'insert_ember_data';
