#!/bin/sh
# Slurm and munge from Debian's packages, for the tests of the Slurm engine. Does nothing where they are.
set -eu
for program in munged slurmctld slurmd sbatch squeue scontrol scancel sinfo; do
  command -v "$program" >/dev/null || missing="${missing-} $program"
done
[ -n "${missing-}" ] || exit 0
if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
  echo "The cluster tests need$missing: install slurm-wlm and munge, or run this as root on Debian or Ubuntu." >&2
  exit 2
fi
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update -qq && apt-get install -qq --yes --no-install-recommends slurmctld slurmd slurm-client munge; } \
  >/tmp/isoflop-slurm-install.log 2>&1; then
  echo "Slurm's packages cannot be installed; the end of /tmp/isoflop-slurm-install.log says why:" >&2
  tail -n 5 /tmp/isoflop-slurm-install.log >&2
  exit 2
fi
