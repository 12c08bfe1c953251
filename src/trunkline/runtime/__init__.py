"""What every process needs: settings, clock, log, metrics, supervisor."""
