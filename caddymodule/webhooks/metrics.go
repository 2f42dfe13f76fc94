package webhooks

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/socialpatra/keygate/webhook"
)

// Counts are of this process, over reloads.
var Counts webhook.Counts

// Collector tells of the webhooks of all stores that are open. No label has a URL.
type Collector func(yield func(*webhook.Senders) bool)

var (
	deliveriesDesc = prometheus.NewDesc("caddy_keygate_webhook_deliveries_total",
		"Attempts to deliver a webhook message, by outcome: delivered, refused, timed_out or failed.", []string{"outcome"}, nil)
	droppedDesc = prometheus.NewDesc("caddy_keygate_webhook_dropped_total",
		"Webhook messages that were dropped without having been delivered.", nil, nil)
	waitingDesc = prometheus.NewDesc("caddy_keygate_webhook_waiting",
		"Webhook messages that this gateway is still to deliver.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (Collector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{deliveriesDesc, droppedDesc, waitingDesc} {
		descs <- desc
	}
}

// Collect implements [prometheus.Collector].
func (c Collector) Collect(found chan<- prometheus.Metric) {
	waiting := int64(0)
	for senders := range c {
		waiting += senders.Waiting()
	}
	for _, outcome := range webhook.Outcomes() {
		found <- prometheus.MustNewConstMetric(deliveriesDesc, prometheus.CounterValue, float64(Counts.Attempts(outcome)), outcome)
	}
	found <- prometheus.MustNewConstMetric(droppedDesc, prometheus.CounterValue, float64(Counts.Dropped()))
	found <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(waiting))
}
