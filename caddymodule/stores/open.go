package stores

import (
	"iter"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/keystore"
)

// Open opens the store of a module and logs which one it is. A wrong path, or a
// volume that is not mounted, shows in that line: a store that was made is a
// warning.
func Open(module Module, logger *zap.Logger) (keystore.Store, error) {
	store, err := module.Open(logger)
	if err != nil {
		return nil, err
	}
	about := store.About()
	for _, warning := range about.Warnings {
		logger.Warn("the key store is open, but not as it should be", zap.String("store", about.Place), zap.String("warning", warning))
	}
	keys := keystore.Total(store.Counts(time.Now()))
	fields := []zap.Field{
		zap.String("store", about.Place), zap.String("kind", about.Kind), zap.Int("schema", about.Schema), zap.Int("keys", keys),
	}
	if about.UpgradedFrom != 0 {
		logger.Warn("upgraded the key store"+keystore.AdviceUpgraded,
			zap.String("store", about.Place), zap.Int("from_schema", about.UpgradedFrom), zap.Int("schema", about.Schema))
	}
	if about.Made {
		logger.Warn("made a new key store"+keystore.AdviceMade, fields...)
	} else {
		logger.Info("the key store is open", fields...)
	}
	return store, nil
}

// InfoCollector reports which stores are open. It iterates over them.
type InfoCollector iter.Seq[keystore.Store]

var infoDesc = prometheus.NewDesc("caddy_keygate_store_info",
	"1 for each key store that is open: its kind, its path or engine, and the version of what it stores.",
	[]string{"kind", "store", "schema"}, nil)

// Describe implements [prometheus.Collector].
func (InfoCollector) Describe(descs chan<- *prometheus.Desc) { descs <- infoDesc }

// Collect implements [prometheus.Collector].
func (open InfoCollector) Collect(found chan<- prometheus.Metric) {
	seen := make(map[[3]string]bool) // two configs may use one engine
	for store := range open {
		about := store.About()
		labels := [3]string{about.Kind, about.Place, strconv.Itoa(about.Schema)}
		if !seen[labels] {
			seen[labels] = true
			found <- prometheus.MustNewConstMetric(infoDesc, prometheus.GaugeValue, 1, labels[:]...)
		}
	}
}
