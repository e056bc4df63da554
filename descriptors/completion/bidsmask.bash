# Completion of bidsmask for bash and zsh; written by descriptors/make_completion.py.
[ -z "$ZSH_VERSION" ] || { autoload -Uz compinit bashcompinit; compinit -u; bashcompinit; }

_bidsmask() {
  local word=${COMP_WORDS[COMP_CWORD]} option= index
  for ((index = COMP_CWORD - 1; index > 0; index--)); do
    case ${COMP_WORDS[index]} in -*) option=${COMP_WORDS[index]}; break ;; esac
  done
  case $word in -*) option= ;; esac
  case $option in
    --file-format|--file_format) COMPREPLY=($(compgen -W "nifti cifti gifti" -- "$word")); return ;;
    --maps-statistic|--maps_statistic) COMPREPLY=($(compgen -W "least-squares weighted-mean" -- "$word")); return ;;
    --statistic) COMPREPLY=($(compgen -W "mean median sum min max std var eigenvariate" -- "$word")); return ;;
    --voxel-scaling|--voxel_scaling) COMPREPLY=($(compgen -W "none zscore psc" -- "$word")); return ;;
    --strategies) COMPREPLY=($(compgen -W "24P 27P 36P acompcor acompcor50 acompcor_gsr aroma aroma_gsr baseline compcor gsr_only icaaroma none scrubbing scrubbing.2 scrubbing.2+gsr scrubbing.5 scrubbing.5+gsr simple simple+gsr" -- "$word")); COMPREPLY+=($(compgen -f -- "$word")); return ;;
    --filter) COMPREPLY=($(compgen -W "butterworth cosine none" -- "$word")); return ;;
    --filter-ends|--filter_ends) COMPREPLY=($(compgen -W "even nilearn xcpd" -- "$word")); return ;;
    --bridge) COMPREPLY=($(compgen -W "linear nilearn" -- "$word")); return ;;
    --standardize) COMPREPLY=($(compgen -W "zscore psc none" -- "$word")); return ;;
    --fd) COMPREPLY=($(compgen -W "table rmsd power jenkinson" -- "$word")); return ;;
    --motion-filter-type|--motion_filter_type) COMPREPLY=($(compgen -W "notch lp none" -- "$word")); return ;;
    --censor-output|--censor_output) COMPREPLY=($(compgen -W "na drop interpolate" -- "$word")); return ;;
    --connectivity) COMPREPLY=($(compgen -W "correlation covariance partial-correlation precision ledoit-wolf-correlation ledoit-wolf-partial-correlation ledoit-wolf-precision graphical-lasso-partial-correlation graphical-lasso-precision xdf-variance xdf-z xdf-p" -- "$word")); return ;;
    --edge-timeseries|--edge_timeseries) COMPREPLY=($(compgen -W "rss all" -- "$word")); return ;;
    --task-regressors|--task_regressors) COMPREPLY=($(compgen -W "none canonical fir" -- "$word")); return ;;
    --beta-series|--beta_series) COMPREPLY=($(compgen -W "lss lsa" -- "$word")); return ;;
    --exclude) COMPREPLY=($(compgen -W "none verdict parkes2018-lenient parkes2018-stringent wang2024-minimal wang2024-stringent" -- "$word")); return ;;
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "--alff --area-weights --atlases --band-stop-max --band-stop-min --beta-series --bids-database-dir --bids-filter-file --boilerplate-only --bridge --censor-after --censor-before --censor-output --check --cifti-outputs --clean-workdir --concatenate --condition-delay --condition-means --config-file --connectivity --covariates --create-matrices --datasets --demo --derivatives --detrend --dry-run --dummy-scans --dvars-percent-threshold --dvars-threshold --edge-timeseries --edges --exclude --exclude-limits --fd --fd-thresh --fd-threshold --file-format --filter --filter-ends --fir-length --fisher-z --graphical-lasso-alpha --head-radius --help --high-pass --leverage-threshold --list-strategies --low-pass --maps-statistic --mem --mem-gb --mem-mb --min-coverage --min-dof --min-segment --min-time --motion-filter-order --motion-filter-type --n-cpus --network-means --nipype-plugin-file --no-detrend --no-download --notrack --nprocs --nthreads --omp-nthreads --parquet --participant-label --random-seed --ratings --reho --reports-only --resource-monitor --run-id --seed-maps --seed-radius --seeds --session-id --session-label --shards --skip-bids-validation --skip-bids-validator --smoothing-fwhm --space --standardize --statistic --stop-on-first-crash --strategies --tangent --task-id --task-regressors --use-plugin --verbose --verdict-limits --version --voxel-scaling --voxelwise --voxelwise-smoothing-fwhm --work-dir --write-graph -d -h -t -v -w" -- "$word")) ;;
    *)
      if [ "$COMP_CWORD" -eq 3 ]; then
        COMPREPLY=($(compgen -W "participant group" -- "$word"))
      else
        COMPREPLY=($(compgen -f -- "$word"))
      fi
      ;;
  esac
}
complete -o filenames -F _bidsmask bidsmask
