/* Two thermal zones, in tenths of a kelvin: 50.0 and 61.5 degrees, critical at 100 and 95. */
DefinitionBlock ("", "SSDT", 2, "EDGERT", "ZONES", 1)
{
    Scope (\_TZ)
    {
        ThermalZone (TZ01)
        {
            Method (_TMP, 0) { Return (3232) }
            Name (_CRT, 3732)
        }
        ThermalZone (TZ02)
        {
            Method (_TMP, 0) { Return (3347) }
            Name (_CRT, 3682)
        }
    }
}
