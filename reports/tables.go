package reports

import "ablate/reports/table"

// Tables are the report's tables in reading order, the comparison first.
func (r *Report) Tables() []table.Table {
	tables := append([]table.Table{r.comparisonTable(true)}, r.otherTables()...)
	for i := range tables {
		tables[i].Again = r.commands("")
	}
	return tables
}

// otherTables are those after the comparison.
func (r *Report) otherTables() (tables []table.Table) {
	if t, ok := r.componentsTable(); ok {
		tables = append(tables, t)
	}
	if t, ok := r.differencesTable(); ok {
		tables = append(tables, t)
	}
	if t, ok := r.dependenceTable(); ok {
		tables = append(tables, t)
	}
	return tables
}
