import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

const API = import.meta.env.VITE_API_URL;
const KEY = import.meta.env.VITE_API_KEY;

function Metric({ id }) {
  const [rows, setRows] = useState([]);
  useEffect(() => {
    fetch(`${API}/metrics/${id}`, { headers: { 'X-API-Key': KEY } })
      .then((answer) => answer.json())
      .then(setRows);
  }, [id]);
  return <p>{rows.map(({ date, value }) => `${date}: ${value}`).join(', ')}</p>;
}

createRoot(document.getElementById('root')).render(<Metric id="active_validators" />);
