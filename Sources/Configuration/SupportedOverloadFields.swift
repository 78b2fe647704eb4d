// The fields of the overload manager that are acted on.

extension SupportedFields {
    static let overload = """
        envoy.config.overload.v3.OverloadManager
          refresh_interval resource_monitors actions loadshed_points
        envoy.config.overload.v3.ResourceMonitor
          name typed_config
        envoy.config.overload.v3.OverloadAction
          name triggers typed_config
        envoy.config.overload.v3.LoadShedPoint
          name triggers
        envoy.config.overload.v3.Trigger
          name threshold scaled
        envoy.config.overload.v3.ThresholdTrigger
          value
        envoy.config.overload.v3.ScaledTrigger
          scaling_threshold saturation_threshold
        envoy.config.overload.v3.ScaleTimersOverloadActionConfig
          timer_scale_factors
        envoy.config.overload.v3.ScaleTimersOverloadActionConfig.ScaleTimer
          timer min_timeout min_scale
        # Resource monitors
        envoy.extensions.resource_monitors.cgroup_memory.v3.CgroupMemoryConfig
          max_memory_bytes
        envoy.extensions.resource_monitors.cpu_utilization.v3.CpuUtilizationConfig
          mode
        envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig
          max_active_downstream_connections
        envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig
          max_heap_size_bytes
        envoy.extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig
          filename
        """
}
