// Reads Parquet files with hyparquet: node read.mjs PACKAGE FILE... prints, for
// each file, its columns and its rows as JSON. Numbers that JSON has not are
// strings, and so are 64-bit integers.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [hyparquet, ...files] = process.argv.slice(2);
const { parquetMetadata, parquetReadObjects } = await import(pathToFileURL(hyparquet));

function plain(v) {
  if (typeof v === "bigint") return v.toString();
  if (typeof v === "number" && !Number.isFinite(v)) return String(v);
  return v instanceof Date ? v.toISOString() : v;
}

for (const file of files) {
  const bytes = readFileSync(file);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const metadata = parquetMetadata(buffer);
  const columns = metadata.schema.slice(1).map((c) => [c.name, c.type, c.converted_type ?? ""]);
  const rows = [];
  for (const row of await parquetReadObjects({ file: buffer, metadata })) {
    rows.push(Object.fromEntries(Object.entries(row).map(([k, v]) => [k, plain(v)])));
  }
  console.log(JSON.stringify({ columns, groups: metadata.row_groups.length, rows }));
}
