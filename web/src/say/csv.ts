/// A line of a CSV file (RFC 4180) that no spreadsheet takes for a formula.
export function csv(fields: (string | number)[]): string {
  const cell = (field: string | number): string => {
    const text = String(field);
    const safe = typeof field === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return `${fields.map(cell).join(",")}\r\n`;
}
