SELECT 'optimize_ember_data';
