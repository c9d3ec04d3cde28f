package storage

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// PoolCollector shows how this process's connections to the database are used: the metrics go_sql_…, of which the label db_name says
// which kind of database it is. On a file of SQLite these are the connections that read.
func (db *DB) PoolCollector() prometheus.Collector {
	return collectors.NewDBStatsCollector(db.pool.DB, db.dialect.driver)
}
