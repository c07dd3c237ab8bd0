// A virtual network for the app, and private endpoints for storage and vault, with the DNS zones that lead to them.
param name string
param location string
param tags object
param hubAccountName string
param catalogAccountName string
param vaultName string

// One zone for each kind of endpoint; the order is that of endpoints below.
var zoneNames = [
  'privatelink.blob.${environment().suffixes.storage}'
  'privatelink.queue.${environment().suffixes.storage}'
  'privatelink.table.${environment().suffixes.storage}'
  'privatelink.vaultcore.azure.net'
]
var endpoints = [
  { name: 'hub-blob', kind: 'blob', target: hub.id, zone: 0 }
  { name: 'hub-queue', kind: 'queue', target: hub.id, zone: 1 }
  { name: 'hub-table', kind: 'table', target: hub.id, zone: 2 }
  { name: 'catalog-table', kind: 'table', target: catalog.id, zone: 2 }
  { name: 'vault', kind: 'vault', target: vault.id, zone: 3 }
]

resource hub 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: hubAccountName
}

resource catalog 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: catalogAccountName
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName
}

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.0.0.0/16'] }
  }
}

// Flex Consumption needs a subnet of its own with this delegation, whose name has no underscore.
resource appSubnet 'Microsoft.Network/virtualNetworks/subnets@2024-05-01' = {
  parent: network
  name: 'app'
  properties: {
    addressPrefix: '10.0.0.0/24'
    delegations: [
      {
        name: 'functions'
        properties: { serviceName: 'Microsoft.App/environments' }
      }
    ]
  }
}

resource endpointSubnet 'Microsoft.Network/virtualNetworks/subnets@2024-05-01' = {
  parent: network
  name: 'endpoints'
  properties: {
    addressPrefix: '10.0.1.0/24'
    privateEndpointNetworkPolicies: 'Disabled'
  }
  dependsOn: [appSubnet] // subnets of one network are written one after the other
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zone in zoneNames: {
    name: zone
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (zone, index) in zoneNames: {
    parent: zones[index]
    name: name
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: { id: network.id }
    }
  }
]

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2024-05-01' = [
  for endpoint in endpoints: {
    name: 'pe-${name}-${endpoint.name}'
    location: location
    tags: tags
    properties: {
      subnet: { id: endpointSubnet.id }
      privateLinkServiceConnections: [
        {
          name: endpoint.name
          properties: {
            privateLinkServiceId: endpoint.target
            groupIds: [endpoint.kind]
          }
        }
      ]
    }
  }
]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [
  for (endpoint, index) in endpoints: {
    parent: privateEndpoints[index]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: endpoint.kind
          properties: { privateDnsZoneId: zones[endpoint.zone].id }
        }
      ]
    }
    dependsOn: [links]
  }
]

output appSubnetId string = appSubnet.id
